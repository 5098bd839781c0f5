"""Long-lived applications under random faults, whose books are checked all the time and closed at the end."""
