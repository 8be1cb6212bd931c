"""The recipes that come with AVLink; importable as `avlink.recipes`, so that wheels carry them."""
