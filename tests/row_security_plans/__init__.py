"""What policies cost: these files are copied into a rendered project and run there."""
