"""Tables, one file each. Importing one imports them all, so that relationships find their other side."""

from app import import_modules

import_modules(__name__)
