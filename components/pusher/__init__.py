"""Pusher: publishes blessed serving models where a server finds them."""

from components.pusher.card_params import ModelCardConfig
from components.pusher.component import Pusher
from components.pusher.params import Location, PushConfig, PusherParams

__all__ = ["Location", "ModelCardConfig", "PushConfig", "Pusher", "PusherParams"]
