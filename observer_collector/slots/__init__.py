"""Who holds the registrations of an app key, and why."""
