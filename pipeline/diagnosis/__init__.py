"""What `doctor` looks at: packages, the machine, and what outside of it a pipeline may need."""
