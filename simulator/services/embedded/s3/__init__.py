"""
An S3 server in memory with MinIO's bucket notifications: protocol core, storage and listener, each in files of its own.
"""
