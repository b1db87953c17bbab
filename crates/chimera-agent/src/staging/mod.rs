//! Serves commits on loopback until their time is up.
