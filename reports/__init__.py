"""What a person reads: run folders, HTML, figures, machine formats. Renders results, knows no check."""
