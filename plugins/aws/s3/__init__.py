"""S3 and stores that speak its protocol."""

from plugins.aws.s3.buckets import Copy, CreateBucket, Delete, DeleteList, List
from plugins.aws.s3.download import Download, Downloads
from plugins.aws.s3.trigger import Trigger
from plugins.aws.s3.upload import Upload

__all__ = ["Copy", "CreateBucket", "Delete", "DeleteList", "Download", "Downloads", "List", "Trigger", "Upload"]
