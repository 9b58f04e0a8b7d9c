HOME = "procfile\n"
