print("martlet-fs")
