"""The logic of the PC builder: small modules without Flask, so that each can be tested alone."""
