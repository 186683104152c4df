"""Frames over a socket pair: everything from one turn of the event loop goes out in one write."""

import asyncio
import struct
from collections.abc import Callable
from typing import Final, Generic, TypeVar, cast

import msgspec

_LENGTH: Final = struct.Struct("=Q")
_JOINED: Final = 1 << 16
"""Up to this size a frame is copied after its length; a larger one is a separate write."""

In = TypeVar("In")
Out = TypeVar("Out")

_encode: Final = msgspec.msgpack.Encoder().encode


class Link(asyncio.Protocol, Generic[In, Out]):
    """One end of the link.

    :param incoming: type of the frames that come.
    :param outgoing: makes an empty frame to be filled.
    :param receive: takes each frame.
    :param lost: called once when the other end is gone.
    """

    def __init__(
        self,
        incoming: type[In],
        outgoing: Callable[[], Out],
        *,
        receive: Callable[[In], None],
        lost: Callable[[], None],
    ) -> None:
        self._decode = msgspec.msgpack.Decoder(incoming).decode
        self._new = outgoing
        self._receive = receive
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._out: Out | None = None
        self._chunks: list[bytes] = []
        self._held = 0
        self._need = _LENGTH.size

    @property
    def open(self) -> bool:
        """The other end is there."""
        return self._transport is not None

    def outgoing(self) -> Out:
        """The frame that goes out at the end of this turn of the loop, to be added to.

        It is lost if the other end is gone.
        """
        out = self._out
        if out is None:
            out = self._out = self._new()
            self._loop.call_soon(self._flush)
        return out

    def close(self) -> None:
        """Send what is pending, then close."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def _flush(self) -> None:
        out, self._out = self._out, None
        if out is None or self._transport is None:
            return
        frame = _encode(out)
        if len(frame) < _JOINED:
            self._transport.write(_LENGTH.pack(len(frame)) + frame)
        else:
            self._transport.writelines((_LENGTH.pack(len(frame)), frame))

    # the protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other end is gone."""
        self._transport = None
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Collect frames: a length, then the frame."""
        self._chunks.append(data)
        self._held += len(data)
        while self._held >= self._need:
            held = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            (length,) = _LENGTH.unpack_from(held)
            end = _LENGTH.size + length
            if len(held) < end:
                self._chunks, self._need = [held], end
                return
            frame = self._decode(memoryview(held)[_LENGTH.size : end])
            rest = held[end:]
            self._chunks = [rest] if rest else []
            self._held, self._need = len(rest), _LENGTH.size
            self._receive(frame)
