//! Finds, checks and installs what the judge needs: Chromium, git, Python with Playwright.
