print("memlab")
