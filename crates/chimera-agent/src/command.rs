//! The command protocol: any program as an agent.
