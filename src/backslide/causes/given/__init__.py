"""What the saved model must have been given: alterations of the logged inputs under which it says exactly what was served."""
