"""Pusher: publishes blessed serving models where a server finds them."""

from components.pusher.component import Pusher
from components.pusher.params import Location, PushConfig, PusherParams

__all__ = ["Location", "PushConfig", "Pusher", "PusherParams"]
