"""What the README promises, caused on a real server: these files are copied into a rendered project and run there."""
