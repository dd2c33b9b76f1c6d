"""The REST API as a list of endpoints: what each is called with, what it answers and who may call it."""
