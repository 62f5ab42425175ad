"""The tables of peers and of what has come from them, as peewee sees them; see `models.py`."""

import peewee

from appliance.store.models import MomentField, NightField, OptionalMomentField


class PeerRow(peewee.Model):
    """Another appliance that may send here, or might once."""

    id = peewee.TextField(primary_key=True)
    name = peewee.TextField()
    made_at = MomentField()
    keep_days = peewee.IntegerField()
    most_mib = peewee.IntegerField()
    is_open = peewee.BooleanField()
    last_at = OptionalMomentField(null=True)
    last_address = peewee.TextField()
    told = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "peer"


class PeerKeyRow(peewee.Model):
    """A key by which a peer signs; the key itself lies sealed among the credentials."""

    id = peewee.TextField(primary_key=True)
    peer = peewee.TextField()
    made_at = MomentField()
    forgotten_until_s = peewee.IntegerField()
    """No request signed at this unix time or before is taken: its nonce may be among those that were forgotten."""

    class Meta:
        """Its table."""

        table_name = "peer_key"


class PeerNonceRow(peewee.Model):
    """A nonce that was used."""

    key = peewee.TextField()
    nonce = peewee.TextField()
    time_s = peewee.IntegerField()
    """When its request says that it was signed."""

    class Meta:
        """Its table."""

        table_name = "peer_nonce"
        primary_key = peewee.CompositeKey("key", "nonce")


class ReceivedRow(peewee.Model):
    """One thing that has come from a peer."""

    id = peewee.AutoField()
    peer = peewee.TextField()
    kind = peewee.TextField()
    night = NightField()
    name = peewee.TextField()
    number = peewee.IntegerField()
    size = peewee.IntegerField()
    sha256 = peewee.TextField()
    file = peewee.TextField()
    """Name of its file, and of its thumbnail."""
    thumb_bytes = peewee.IntegerField()
    width = peewee.IntegerField()
    height = peewee.IntegerField()
    received_at = MomentField()
    started_at = OptionalMomentField(null=True)
    metadata = peewee.TextField()
    """As `domain.peer.metadata_of` writes it: size, hash, and a frame's numbers."""

    class Meta:
        """Its table."""

        table_name = "received"


class PeerNightRow(peewee.Model):
    """Sums over what has come of one night of a peer."""

    peer = peewee.TextField()
    night = NightField()
    frames = peewee.IntegerField()
    bytes = peewee.IntegerField()
    first_at = OptionalMomentField(null=True)
    last_at = OptionalMomentField(null=True)

    class Meta:
        """Its table."""

        table_name = "peer_night"
        primary_key = peewee.CompositeKey("peer", "night")


class ArrivingRow(peewee.Model):
    """A thing of which some chunks have come; how many bytes, its file tells."""

    id = peewee.AutoField()
    peer = peewee.TextField()
    kind = peewee.TextField()
    night = NightField()
    name = peewee.TextField()
    size = peewee.IntegerField()
    sha256 = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "arriving"


class V1PeerRow(peewee.Model):
    """What a peer has that speaks indi-allsky's SyncAPI v1."""

    peer = peewee.TextField(primary_key=True)
    user = peewee.TextField()
    network = peewee.TextField()
    camera = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "peer_v1"


class V1UsedRow(peewee.Model):
    """A signature of such a peer, with the hash of the content that came with it."""

    id = peewee.AutoField()
    peer = peewee.TextField()
    signature = peewee.TextField()
    sha256 = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "peer_v1_used"
