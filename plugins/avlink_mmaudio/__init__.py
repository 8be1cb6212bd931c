"""MMAudio as a backend, where its user has installed it: weights stay in the user's folder, nothing is downloaded."""
