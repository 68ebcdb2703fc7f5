"""The built-in tests of the template language: what may follow `is`."""
