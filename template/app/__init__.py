"""The application. Start reading at `app.main`."""
