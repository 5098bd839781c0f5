"""What other packages find through entry points and build from the environment alone; nothing here raises into them."""
