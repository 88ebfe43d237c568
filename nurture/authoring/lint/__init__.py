"""The rules that need more than one file, or the whole of one: each module gives findings over a `Folder`."""
