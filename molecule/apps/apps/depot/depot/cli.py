def main():
    print("the command of the depot")
