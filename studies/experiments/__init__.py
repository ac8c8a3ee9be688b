"""The course report's own experiments, run again with repeated seeds."""
