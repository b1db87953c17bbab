//! Carries out the five phases of a delivery.
