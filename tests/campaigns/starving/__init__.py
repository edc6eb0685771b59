"""Commands that get too little: of what, and how."""
