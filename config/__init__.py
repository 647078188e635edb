"""The wiring: settings, the one place that names concrete classes, processes, logs, the command line."""
