"""What a mailbox is owed after its letter: the sent copy, what that says later, and bounces."""
