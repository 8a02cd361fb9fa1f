"""Does the model lean on other features?"""
