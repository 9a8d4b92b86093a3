"""What people intend: province, systems and the target contract; knows no other package."""
