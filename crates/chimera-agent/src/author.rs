//! The built-in test author: acceptance criteria become a pytest-playwright test.
