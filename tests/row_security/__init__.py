"""What Row Level Security holds against, and what not: these files are copied into a rendered project and run there."""
