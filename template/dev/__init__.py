"""Tools for development and tests; production code in app/ never imports them."""
