"""watch"""
def watch() -> None:
    """w"""
