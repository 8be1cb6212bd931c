"""The recipes that come with AVLink. They are importable as `avlink.recipes`, so that wheels contain them."""
