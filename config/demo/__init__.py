"""What the demo plays with: offices, the forms that residents and offices send."""
