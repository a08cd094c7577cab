"""The Dagster code location: assets, checks, schedules and sensors, thin over the kernel."""
