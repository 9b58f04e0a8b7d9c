"""What prestart.sh runs."""

with open("/tmp/prepared", "w") as file:
    file.write("prepared")
