"""Services: the only place where effects are sequenced and hooks are called."""
