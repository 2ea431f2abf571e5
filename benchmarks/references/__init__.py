"""What the project is measured against: other people's methods and code, none of it part of the product."""
