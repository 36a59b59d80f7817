import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


def estimate(apps, schema_editor):
    """What each stored measurement costs: nobody had asked before."""
    from workers.engine.cost import cost_of
    from workers.engine.documents.measurement import Measurement as Document

    measurements = apps.get_model("wiki", "Measurement").objects.all()
    for row in measurements.iterator(chunk_size=100):
        cost = cost_of(Document.read(row.text))
        measurements.filter(pk=row.pk).update(cost=cost.operations, memory=cost.memory)


class Migration(migrations.Migration):

    dependencies = [
        ('wiki', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField('measurement', 'cost', models.FloatField(default=0), preserve_default=False),
        migrations.AddField('measurement', 'memory', models.PositiveIntegerField(default=0), preserve_default=False),
        migrations.RunPython(estimate, migrations.RunPython.noop, elidable=False),
        migrations.AddField('revision', 'agent', models.CharField(blank=True, max_length=20, default=''), preserve_default=False),
        migrations.AddField('worker', 'memory', models.PositiveIntegerField(default=0), preserve_default=False),
        migrations.AddField('worker', 'queues', models.JSONField(default=list)),
        migrations.AddField('worker', 'ended_at', models.DateTimeField(null=True)),
        migrations.AddField('run', 'not_before', models.DateTimeField(null=True)),
        migrations.AddField('run', 'rings', models.PositiveSmallIntegerField(default=0)),
        migrations.AddField('run', 'asked_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='runs', to=settings.AUTH_USER_MODEL)),
        migrations.AddField('run', 'agent', models.CharField(blank=True, max_length=20, default=''), preserve_default=False),
        migrations.AlterField('run', 'state', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('finished', 'Finished'), ('refused', 'Refused'), ('errored', 'Errored')], default='queued', max_length=8)),
        migrations.AlterField('run', 'created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
        migrations.AddIndex('run', models.Index(condition=models.Q(('state', 'queued')), fields=['priority', 'id'], name='run_in_claiming_order')),
        migrations.AddIndex('run', models.Index(fields=['state', 'measurement', 'claimed_at', 'finished_at'], name='run_by_state')),
        migrations.AddIndex('run', models.Index(fields=['claimed_at'], name='run_by_claim')),
        migrations.AddIndex('run', models.Index(fields=['asked_by', 'created_at'], name='run_by_asker')),
        migrations.AddConstraint('run', models.CheckConstraint(condition=models.Q(('agent', ''), ('asked_by__isnull', False), _connector='OR'), name='run_of_an_agent_is_somebodys')),
    ]
