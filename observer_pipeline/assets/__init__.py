"""The assets, a module for each group of the graph, from the broker to the day's close."""
