"""The filters of the template language, by subject."""
