"""What a detector says of itself: its model, and what runs it."""

from runtime.action_units import au_key
from runtime.backends import Backend
from runtime.finders import FaceFinder
from runtime.signals import SignalBank, Signals
from runtime.spec import ModelSpec


class Described:
    """The part of `runtime.Detector` that answers questions about it; nothing here changes it.

    Attributes:
        signals: What is done to probabilities over time, None for nothing.
        flip_test: Whether answers are the mean of each face and its mirror image.
    """

    signals: Signals | None
    flip_test: bool
    _backend: Backend
    _finder: FaceFinder
    _bank: SignalBank | None

    @property
    def spec(self) -> ModelSpec:
        """What the model says of itself: AUs, thresholds, training data, licence."""
        return self._backend.spec

    @property
    def finder_sha256(self) -> str | None:
        """Digest of the finder's file; None where it is of none, as OpenCV's cascades."""
        return getattr(self._finder, "sha256", None)

    @property
    def aus(self) -> tuple[str, ...]:
        """Keys of the AUs that every face gets: ``("AU01", ...)``, where `spec` has numbers."""
        return tuple(map(au_key, self.spec.aus))

    @property
    def tells_intensity(self) -> bool:
        """Whether faces also get `Face.intensities`, which takes a model with such a head."""
        return self.spec.intensity

    @property
    def adjusts(self) -> bool:
        """Whether faces that are followed also get `Face.adjusted`, which `signals` decide."""
        return self.signals is not None and self.signals.adjusts

    @property
    def baselines(self) -> int:
        """Faces that have got their baseline so far, which takes `Signals.baseline` frames each."""
        return self._bank.baselines if self._bank else 0

    @property
    def faces_followed(self) -> int:
        """Faces of videos that signals have been applied to, since the detector was made."""
        return self._bank.faces if self._bank else 0

    @property
    def backend(self) -> str:
        """What runs the model: one of `runtime.spec.ENGINES`."""
        return self._backend.engine

    @property
    def device(self) -> str:
        """What the network runs on, such as ``"cpu"`` or ``"cuda:0"``; never ``"auto"``."""
        return self._backend.device

    @property
    def provider(self) -> str:
        """What runs it there, with its version; see `runtime.backends.base.Backend`."""
        return self._backend.provider

    @property
    def precision(self) -> str:
        """What the network computes in, such as ``"fp32"``; see `runtime.backends.base.Backend`."""
        return self._backend.precision

    @property
    def threads(self) -> int:
        """CPU threads of the network."""
        return self._backend.threads

    def __repr__(self) -> str:
        backend, spec = self._backend, self.spec
        computes = backend.precision
        if computes != spec.precision:  # such as int8 made for another engine
            computes = f"{spec.precision} file computed in {computes}"
        engine = getattr(self._finder, "engine", None)
        finder = f"{self._finder.name} ({engine})" if isinstance(engine, str) else self._finder.name
        return (
            f"Detector({spec.preset} {computes} on {backend.device}, {backend.provider}, "
            f"{backend.threads} thread{'s' * (backend.threads != 1)}, finder {finder}"
            f"{', flip test' * self.flip_test})"
        )
