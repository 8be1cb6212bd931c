"""MMAudio as a backend, for users who have installed it and have its weights; nothing is downloaded."""
