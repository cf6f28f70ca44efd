"""What the tests of the runtime stand on: models to serve and processes that serve them. Not part of the distribution.

Its own package, since test files cannot import each other when three `tests` folders share one repository."""
