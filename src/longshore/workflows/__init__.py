"""This package knows workflows: jobs that wait for other jobs, as users write them, as they are checked and kept."""
